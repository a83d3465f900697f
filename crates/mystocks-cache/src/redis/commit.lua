-- KEYS: entry, lease, queue; to announce it also the clock. ARGV: token, value, milliseconds, digest of the key, 1 to have the entry watched; to announce
-- it also: channel, head of the message, last stamp seen. Answers 1 when the lease was held and the entry is written.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
wake(KEYS[3], ARGV[4])
if ARGV[6] then
  tell(ARGV[6], ARGV[7], draw(KEYS[4], ARGV[8]), {ARGV[4]})
end
-- Writing a key ends its watching, for the writer too; only reading begins it, and newer servers watch only what was read.
if ARGV[5] == '1' then redis.call('STRLEN', KEYS[1]) end
return 1
