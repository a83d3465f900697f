-- KEYS: session. ARGV: proof, 1 to revoke what is replayed, version, nonce, data, milliseconds idle.
-- Answers how the claim stands, 1 when it is saved, and the version.
local session, at = KEYS[1], clock()
local status = standing(session, ARGV[1], ARGV[2], at)
if status ~= PRESENT and status ~= BEFORE then return {status, 0, 0} end
local version = tonumber(redis.call('HGET', session, 'n'))
local wanted = tonumber(ARGV[3])
-- The answer to this very request was lost, and it is asked again.
if version == wanted + 1 and redis.call('HGET', session, 'w') == ARGV[4] then return {status, 1, version} end
if version ~= wanted then return {status, 0, version} end
redis.call('HSET', session, 'd', ARGV[5], 'n', whole(version + 1), 'w', ARGV[4])
touch(session, at, tonumber(ARGV[6]))
return {status, 1, version + 1}
