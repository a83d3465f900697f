-- KEYS: entry, lease, clock.
-- ARGV: token, milliseconds, index of the last byte that is compared, what was seen, 1 to force, last stamp seen.
-- Answers {0, stamp} when taken, {1, entry} when it is another, {2, milliseconds} when somebody holds the lease.
local entry, lease, clock = KEYS[1], KEYS[2], KEYS[3]
local token, life = ARGV[1], ARGV[2]
if ARGV[5] == '1' then
  redis.call('SET', lease, token, 'PX', life)
else
  local now = sight(entry, ARGV[3])
  if now ~= '' and now ~= ARGV[4] then
    return {1, redis.call('GET', entry)}
  end
  if not redis.call('SET', lease, token, 'NX', 'PX', life) then
    local left = redis.call('PTTL', lease)
    if left ~= -1 then
      return {2, string.format('%.0f', left)}
    end
    -- Every lease has a time to live: this one is nobody's, and would block the key for good.
    redis.call('SET', lease, token, 'PX', life)
  end
end
return {0, draw(clock, ARGV[6])}
