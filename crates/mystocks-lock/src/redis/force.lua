-- KEYS: spot, fence, queue, waiters, strangers. ARGV: channel without the node, what there is of it. Answers what was seen of it before.
local before = seen(KEYS[1], KEYS[2], KEYS[4])
if redis.call('DEL', KEYS[1]) == 1 then
  local _, token, text = record(KEYS[2])
  local node = text and string.match(text, '^%S+ %S+ %S+ (%S+)')
  if node then redis.pcall('PUBLISH', ARGV[1] .. node, '!' .. token) end
end
hand(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[1], ARGV[2])
return before
