-- After group.lua. ARGV from 3 on: where it begins ('-', or '(' and an id), how many. Answers what waits, by id: {id, number, payload, group or '', deliveries, 1 when who had it died}.
-- The pending list is in the order of ids; the sorted set orders what is due at once by its text.
local found = {}
if redis.pcall('XPENDING', stream, group).err then return found end
for at, entry in ipairs(redis.call('XPENDING', stream, group, ARGV[3], '+', ARGV[4], NOBODY)) do
  local bytes, number, only = fields(entry[1])
  local due = tonumber(redis.call('ZSCORE', waiting, entry[1])) or 0
  found[at] = {entry[1], number or 0, bytes or '', only or '', entry[4], due % 1 > 0 and 1 or 0}
end
return found
