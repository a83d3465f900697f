-- KEYS: lease, queue. ARGV: token, digest of the key. Answers 1 when the lease was held.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
wake(KEYS[2], ARGV[2])
return 1
