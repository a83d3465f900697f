-- KEYS: session. ARGV: proof, 1 to revoke what is replayed, new proof, milliseconds of grace, idle, and the user if it has one.
-- Answers how the claim stands, and 1 when the new proof counts, 2 when it is another user's.
local session, at = KEYS[1], clock()
-- The answer to this very request was lost, and it is asked again.
if is_live(session, at) and redis.call('HGET', session, 'v') == ARGV[3] then return {PRESENT, 1} end
local status = standing(session, ARGV[1], ARGV[2], at)
if status ~= PRESENT and status ~= BEFORE then return {status, 0} end
if (redis.call('HGET', session, 'u') or nil) ~= ARGV[6] then return {status, 2} end
if status == BEFORE then return {status, 0} end
redis.call('HSET', session, 'v', ARGV[3], 'p', ARGV[1], 't', whole(at + ARGV[4]))
touch(session, at, tonumber(ARGV[5]))
return {status, 1}
