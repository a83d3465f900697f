-- That somebody takes this lock who stands in no queue and tells nobody, such as Python, which polls, is known for a day. So often
-- it is left free then when it is released, for so long, though somebody waits: else who polls would never find it free. Where
-- nobody is known to, it is left free after it has gone from hand to hand for so long, no hand keeping it for longer than that. The
-- value is when it was last left free, or `c` and since when it goes from hand to hand. In microseconds; what keys live, in milliseconds.
local KNOWN, OFTEN_THEIRS, THEIRS, CHAIN, HAND = 86400000, 2000000, 110000, 60000000, 1000

local function micros(number)
  return string.format('%.0f', number)
end

-- Returns whether strangers take it; `now` says that one does.
local function is_strange(strangers, now)
  local is_known = tonumber(redis.call('GET', strangers) or nil) ~= nil
  if now and is_known then
    redis.call('PEXPIRE', strangers, KNOWN)
  elseif now then
    redis.call('SET', strangers, '0', 'PX', KNOWN)
  end
  return now or is_known
end

-- Returns whether it is to be left to strangers now.
local function is_theirs(strangers)
  local value, now = redis.call('GET', strangers), clock()
  local last = tonumber(value or nil)
  if last then
    if now - last < OFTEN_THEIRS then return false end
    redis.call('SET', strangers, micros(now), 'KEEPTTL')
    return true
  end
  local since = value and tonumber(string.match(value, '^c(%d+)$'))
  if since and now - since >= CHAIN then
    redis.call('SET', strangers, micros(now), 'PX', HAND)
    return true
  end
  redis.call('SET', strangers, 'c' .. micros(since or now), 'PX', HAND)
  return false
end

-- Returns for how many milliseconds more it is left to them.
local function theirs(strangers)
  local last = tonumber(redis.call('GET', strangers) or nil)
  if not last then return 0 end
  return math.max(0, math.ceil((THEIRS - (clock() - last)) / 1000))
end

