-- Reads on in a journal. KEYS: entries, end. ARGV: after which id, how many entries, how many bytes of them are enough.
-- Answers the end, and ids and payloads.
local most, enough = tonumber(ARGV[2]), tonumber(ARGV[3])
local found, bytes, after = {}, 0, ARGV[1]
while #found < most and bytes < enough do
  local some = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 16)
  if #some == 0 then break end
  for _, entry in ipairs(some) do
    local payload = entry[2][2]
    bytes = bytes + #payload
    found[#found + 1] = {entry[1], payload}
    after = entry[1]
    if bytes >= enough then break end
  end
end
return {redis.call('GET', KEYS[2]) or '', found}
