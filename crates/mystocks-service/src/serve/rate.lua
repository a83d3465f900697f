-- KEYS[1]: until when the requests of somebody are paid for. ARGV: the price of one and how far ahead may be paid, in microseconds.
-- Returns 0 when one more may come, else after how many microseconds.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local price, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- What is farther ahead than can be comes from before the clock was set back.
if paid < now or paid > now + ahead + price then paid = now end
local wait = paid + price - ahead - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', paid + price), 'PX', math.ceil((paid + price - now) / 1000) + 1)
return 0
