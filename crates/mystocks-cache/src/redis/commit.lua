-- KEYS: entry, lease, queue; to announce it also the clock. ARGV: token, value, milliseconds, digest of the key, 1 to have the entry watched, index of
-- the last byte that is compared ('' to compare nothing), what was seen; to announce it also: channel, head of the message, last stamp seen.
-- Answers 1 when the lease was held, the entry was the one that was seen, and the new one is written.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local same = ARGV[6] == '' or sight(KEYS[1], ARGV[6]) == ARGV[7]
-- Before anything is removed: that would let a full server take the value.
if same then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('UNLINK', KEYS[2])
wake(KEYS[3], ARGV[4])
if not same then return 0 end
if ARGV[8] then
  tell(ARGV[8], ARGV[9], draw(KEYS[4], ARGV[10]), {ARGV[4]})
end
-- Writing a key ends its watching, for the writer too; only reading begins it, and newer servers watch only what was read.
if ARGV[5] == '1' then redis.call('STRLEN', KEYS[1]) end
return 1
