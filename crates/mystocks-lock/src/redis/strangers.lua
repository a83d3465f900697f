-- That somebody takes this lock who stands in no queue and tells nobody, such as Python, which polls, is known for a day. So often
-- it is left free then when it is released, for so long, though somebody waits: else who polls would never find it free. The value
-- is when that was last. In microseconds, but KNOWN in milliseconds.
local KNOWN, OFTEN_THEIRS, THEIRS = 86400000, 2000000, 110000

-- Returns whether strangers take it; `now` says that one does.
local function is_strange(strangers, now)
  if now and not redis.call('SET', strangers, '0', 'NX', 'PX', KNOWN) then redis.call('PEXPIRE', strangers, KNOWN) end
  return now or redis.call('EXISTS', strangers) == 1
end

-- Returns whether it is to be left to strangers now.
local function is_theirs(strangers)
  local last = redis.call('GET', strangers)
  if not last or clock() - last < OFTEN_THEIRS then return false end
  redis.call('SET', strangers, string.format('%.0f', clock()), 'KEEPTTL')
  return true
end

-- Returns for how many milliseconds more it is left to them.
local function theirs(strangers)
  local last = redis.call('GET', strangers)
  if not last then return 0 end
  return math.max(0, math.ceil((THEIRS - (clock() - last)) / 1000))
end

