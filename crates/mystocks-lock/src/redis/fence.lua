-- How long a fence outlives its lock: as long as the server's clock is trusted not to be set back by more.
local KEPT = 86400000

-- The fence of the last grant, its token, when it was in milliseconds, and by whom: "fence token at node owner".
local function record(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return 0 end
  local last, token, at, node, owner = string.match(text, '^(%d+) (%S+) (%d+) (%S+) (.*)$')
  last = tonumber(last) or 0
  -- Beyond 2^52 microseconds (the year 2112) nothing was ever drawn, and counting by one would lose digits.
  if not (last < 4503599627370496) then last = 0 end
  return last, token, at, node, owner
end

-- Grants a fence greater than every one before: the time in microseconds, or one more than the last.
local function grant(key, token, ttl, floor, node, owner)
  local last, holder = record(key)
  floor = tonumber(floor)
  local now = clock()
  local fence = math.max(last, floor)
  if holder == token and fence == last then return string.format('%.0f', last) end
  if holder ~= token then fence = math.max(now, last + 1, floor) end
  local text = string.format('%.0f', fence)
  local at = string.format('%.0f', math.floor(now / 1000))
  redis.call('SET', key, table.concat({text, token, at, node, owner}, ' '), 'PX', KEPT + ttl)
  return text
end

