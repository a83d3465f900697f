-- After group.lua. Answers entries, lag, pending, waiting, dead letters, consumers, trimmed, and the first that is not settled.
local state = {redis.call('XLEN', stream), 0, 0, redis.call('ZCARD', waiting), redis.call('XLEN', dead), redis.call('ZCARD', leases), tonumber(redis.call('HGET', KEYS[5], group) or 0), ''}
local function number(entry)
  return tonumber(entry[2][2]) or 0
end
local first, last = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1], redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
state[2] = state[1]
state[8] = first and first[1] or ''
if redis.call('EXISTS', stream) == 0 then return state end
for _, of in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local name, delivered
  for n = 1, #of, 2 do
    if of[n] == 'name' then name = of[n + 1] end
    if of[n] == 'last-delivered-id' then delivered = of[n + 1] end
  end
  if name == group then
    local pending = redis.call('XPENDING', stream, group)
    state[3], state[8] = pending[1], pending[2] or ''
    if first then
      -- Numbers run on, so two of them tell how many lie between, unless some were deleted.
      local next = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)[1]
      if next and state[3] == 0 then state[8] = next[1] end
      if not next then
        state[2] = 0
      elseif number(last) - number(first) + 1 == state[1] then
        state[2] = number(last) - number(next) + 1
      else
        state[2] = #redis.call('XRANGE', stream, '(' .. delivered, '+')
      end
    end
  end
end
return state
