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

