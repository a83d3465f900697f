-- KEYS: session. ARGV: proof, data, milliseconds idle, absolute; of a user's also when it was entered in the index, how late it may be, the user.
-- Answers it without its data, or nothing when it was revoked meanwhile or is somebody else's.
local session, at = KEYS[1], clock()
local known = redis.call('HMGET', session, 'v', 'x')
-- The answer to this very request was lost, and it is asked again.
if known[1] == ARGV[1] and is_live(session, at) then return record(session, PRESENT, '') end
if known[1] or known[2] then return {GONE, {}} end
local created = at
if ARGV[7] then
  created = tonumber(ARGV[5])
  -- Later than that, the grave of a revocation in between may have been closed.
  if math.abs(at - created) > tonumber(ARGV[6]) then return {GONE, {}} end
  redis.call('HSET', session, 'u', ARGV[7])
end
redis.call('HSET', session, 'v', ARGV[1], 'd', ARGV[2], 'n', '1', 'c', whole(created), 'e', whole(created + ARGV[4]))
touch(session, created, tonumber(ARGV[3]))
-- It may have ended since it was entered.
if not is_live(session, at) then return {GONE, {}} end
return record(session, PRESENT, '')
