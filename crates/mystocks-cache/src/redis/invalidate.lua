-- KEYS: clock; then entry, lease, queue of each key. ARGV: channel, head of the message, last stamp seen; then the digest of
-- each key. Answers the stamp.
local digests = {}
for n = 4, #ARGV do
  local at = 3 * (n - 4) + 2
  redis.call('UNLINK', KEYS[at], KEYS[at + 1])
  wake(KEYS[at + 2], ARGV[n])
  digests[n - 3] = ARGV[n]
end
local stamp = draw(KEYS[1], ARGV[3])
if #digests > 0 then
  tell(ARGV[1], ARGV[2], stamp, digests)
end
return stamp
