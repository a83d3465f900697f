-- Most locks are free, and nobody is before who asks: they are granted before the functions below are made, which costs as much
-- as the work itself.
if (ARGV[9] or '') == '' then
  local first = queue and redis.call('ZRANGE', queue, 0, 0)[1]
  local is_plain = not first or first == waiter and not (KEYS[5] and redis.call('EXISTS', KEYS[5]) == 1)
  if is_plain and redis.call('SET', spot, token, 'NX', 'PX', ttl) then
    if first then
      redis.call('ZREM', queue, waiter)
      redis.call('ZREM', waiters, waiter)
    end
    return granted()
  end
end

