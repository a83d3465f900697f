-- KEYS: entry, lease, queue, clock. ARGV: token, value, milliseconds, digest of the key; to announce it also: channel, head of
-- the message, last stamp seen. Answers 1 when the lease was held and the entry is written.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
wake(KEYS[3], ARGV[4])
if ARGV[5] then
  tell(ARGV[5], ARGV[6], draw(KEYS[4], ARGV[7]), {ARGV[4]})
end
return 1
