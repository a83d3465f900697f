-- KEYS: spot, fence, waiters. Answers the type of the spot, its holders (a token, or members and ends of leases), the milliseconds
-- left (-1 for ever, -2 nobody's), the record of the last grant, how many wait, and the time in milliseconds.
local now = math.floor(clock() / 1000)
local kind = redis.call('TYPE', KEYS[1]).ok
local holders = {}
if kind == 'string' then
  holders = {redis.call('GET', KEYS[1])}
elseif kind == 'zset' then
  holders = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES')
end
local last = redis.pcall('GET', KEYS[2])
local waiting = redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf')
return {kind, holders, redis.call('PTTL', KEYS[1]), type(last) == 'string' and last or '', waiting, now}
