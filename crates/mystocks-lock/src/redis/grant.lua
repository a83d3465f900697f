-- Answers who acquires in vain and who does not; the arguments are those of acquire.lua.
local spot, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, ttl, waiter = ARGV[1], ARGV[2], ARGV[10] or ''

-- Grants a fence greater than every one before: the time in microseconds, or one more than the last.
local function draw()
  local last, holder = record(fence)
  local floor, now = tonumber(ARGV[3]), clock()
  local drawn = math.max(last, floor)
  if holder ~= token then
    drawn = math.max(now, last + 1, floor)
  elseif drawn == last then
    return string.format('%.0f', last)
  end
  local text = string.format('%.0f', drawn)
  local at = string.format('%.0f', math.floor(now / 1000))
  redis.call('SET', fence, text .. ' ' .. token .. ' ' .. at .. ' ' .. ARGV[4], 'PX', KEPT + ttl)
  return text
end

local function granted()
  local drawn = ARGV[3] ~= '' and draw() or '0'
  -- Writing a key ends its watching, for the writer too; only reading begins it.
  if ARGV[5] == '1' then redis.call('EXISTS', spot) end
  return {1, drawn, 0, 0}
end

