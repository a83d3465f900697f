-- After group.lua. ARGV from 3 on: where it begins ('-', or '(' and an id), how many. Answers what waits, by id: id, payload, deliveries, …
-- The pending list is in the order of ids; the sorted set orders what is due at once by its text.
local from, left, found = ARGV[3], tonumber(ARGV[4]), {}
if redis.pcall('XPENDING', stream, group).err then return found end
while left > 0 do
  local waits = redis.call('XPENDING', stream, group, from, '+', left, NOBODY)
  if #waits == 0 then break end
  for _, entry in ipairs(waits) do
    local bytes = payload(entry[1])
    if bytes then
      found[#found + 1], found[#found + 2], found[#found + 3] = entry[1], bytes, entry[4]
      left = left - 1
    end
  end
  from = '(' .. waits[#waits][1]
end
return found
