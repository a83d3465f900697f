-- KEYS: queue, waiters. ARGV: milliseconds, then who waits. Answers for each 0 gone, 1 waiting, 2 first.
local queue, waiters, lease = KEYS[1], KEYS[2], tonumber(ARGV[1])
local till = string.format('%.0f', math.floor(clock() / 1000) + lease)
purge(queue, waiters)
local stand = {}
for n = 2, #ARGV do
  if redis.call('ZSCORE', waiters, ARGV[n]) then
    redis.call('ZADD', waiters, till, ARGV[n])
    stand[n - 1] = 1
  else
    stand[n - 1] = 0
  end
end
for _, key in ipairs(KEYS) do
  local rest = redis.call('PTTL', key)
  if rest >= 0 and rest < 2 * lease then redis.call('PEXPIRE', key, 2 * lease) end
end
local first = redis.call('ZRANGE', queue, 0, 0)[1]
for n = 2, #ARGV do
  if ARGV[n] == first then stand[n - 1] = 2 end
end
return stand
