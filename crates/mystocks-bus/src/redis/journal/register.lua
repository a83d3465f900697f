-- Says that channels have journals. KEYS: channels. ARGV: milliseconds that this is known, and the names.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[1])))
for n = 2, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[n])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
