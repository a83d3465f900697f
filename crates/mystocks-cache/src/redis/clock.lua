-- How long the clock and the marks are kept: 31 days.
local KEPT = 2678400000

-- Draws a stamp: the server's time in microseconds, or one more than the last one drawn and than the last one the caller saw.
local function draw(clock, seen)
  local time = redis.call('TIME')
  local last = tonumber(redis.pcall('GET', clock)) or 0
  -- Beyond 2^52 microseconds (the year 2112) nothing was ever drawn, and counting by one would lose digits. NaN fails too.
  if not (last < 4503599627370496) then last = 0 end
  local stamp = math.max(time[1] * 1000000 + time[2], math.floor(last) + 1, tonumber(seen) + 1)
  local text = string.format('%.0f', stamp)
  -- After a write that frees memory the next one is allowed although memory is full: an invalidation must not fail.
  redis.call('UNLINK', clock)
  redis.call('SET', clock, text, 'PX', KEPT)
  return text
end
