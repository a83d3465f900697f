-- KEYS: spot, fence, queue, waiters. ARGV: channel without the node, what there is of it. Answers 1 when it was held.
local stood = redis.call('DEL', KEYS[1])
if stood == 1 then
  local _, token, text = record(KEYS[2])
  local node = text and string.match(text, '^%S+ %S+ %S+ (%S+)')
  if node then redis.pcall('PUBLISH', ARGV[1] .. node, '!' .. token) end
end
wake(KEYS[3], KEYS[4], ARGV[1], tonumber(ARGV[2]))
return stood
