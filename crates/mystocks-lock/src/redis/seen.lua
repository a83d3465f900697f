-- The type of the spot, its holders (a token, or members and ends of leases), the milliseconds left (-1 for ever, -2 nobody's), the
-- record of the last grant, how many wait, and the time in milliseconds.
local function seen(spot, fence, waiters)
  local now = math.floor(clock() / 1000)
  local kind = redis.call('TYPE', spot).ok
  local holders = {}
  if kind == 'string' then
    holders = {redis.call('GET', spot)}
  elseif kind == 'zset' then
    holders = redis.call('ZRANGEBYSCORE', spot, '(' .. now, '+inf', 'WITHSCORES')
  end
  local last = redis.pcall('GET', fence)
  local waiting = redis.call('ZCOUNT', waiters, '(' .. now, '+inf')
  return {kind, holders, redis.call('PTTL', spot), type(last) == 'string' and last or '', waiting, now}
end

