-- For how many milliseconds more the server is not to be trusted: it may have forgotten what it granted before it was started.
-- The mark saves asking each time; it lives shorter than any restart takes.
local function distrust(mark, millis)
  if redis.call('EXISTS', mark) == 1 then return 0 end
  -- Counted in whole seconds, which may be one too many.
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')) or 0
  local rest = tonumber(millis) + 1000 - up * 1000
  if rest > 0 then return rest end
  redis.call('SET', mark, '1', 'PX', 50)
  return 0
end

