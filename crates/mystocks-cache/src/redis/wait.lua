-- KEYS: lease, queue. ARGV: the channel to wake, how many milliseconds the queue outlives the lease.
-- Answers for how many milliseconds the lease is held, and 0 or less when nobody holds it.
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('SADD', KEYS[2], ARGV[1])
  if redis.call('PTTL', KEYS[2]) < left + ARGV[2] then
    redis.call('PEXPIRE', KEYS[2], string.format('%.0f', left + ARGV[2]))
  end
end
return left
