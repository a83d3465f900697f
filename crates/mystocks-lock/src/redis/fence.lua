-- How long a fence outlives its lock: as long as the server's clock is trusted not to be set back by more.
local KEPT = 86400000

-- The fence of the last grant, its token, and all that is known of it: "fence token milliseconds node owner".
local function record(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return 0 end
  local last, token = string.match(text, '^(%d+) (%S+)')
  last = tonumber(last) or 0
  -- Beyond 2^52 microseconds (the year 2112) nothing was ever drawn, and counting by one would lose digits.
  if not (last < 4503599627370496) then last = 0 end
  return last, token, text
end

-- Grants a fence greater than every one before: the time in microseconds, or one more than the last. To whom the last was granted it
-- is the same again.
local function grant(key, holder, least, who, ttl)
  local last, before = record(key)
  local now = clock()
  local drawn = math.max(last, least)
  if before ~= holder then drawn = math.max(now, last + 1, least) end
  local text = string.format('%.0f', drawn)
  local at = string.format('%.0f', math.floor(now / 1000))
  redis.call('SET', key, text .. ' ' .. holder .. ' ' .. at .. ' ' .. who, 'PX', KEPT + ttl)
  return text
end

