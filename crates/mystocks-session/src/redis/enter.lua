-- KEYS: the sessions of a user, a sorted set of `handle:created` by absolute end. ARGV: handle, milliseconds absolute. Answers the time.
local at = clock()
local till = at + ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(at))
redis.call('ZADD', KEYS[1], whole(till), ARGV[1] .. ':' .. whole(at))
if redis.call('PTTL', KEYS[1]) < till - at then redis.call('PEXPIREAT', KEYS[1], whole(till)) end
return whole(at)
