-- KEYS: session. ARGV: proof, 1 to revoke what is replayed, most bytes ('' without data), milliseconds idle ('' for no use), and since the last use.
local session, at = KEYS[1], clock()
local status = standing(session, ARGV[1], ARGV[2], at)
if status ~= PRESENT and status ~= BEFORE then return {status, {}} end
if ARGV[4] ~= '' and at - tonumber(redis.call('HGET', session, 's')) >= tonumber(ARGV[5]) then
  touch(session, at, tonumber(ARGV[4]))
end
return record(session, status, ARGV[3])
