-- What the scripts of a group share. KEYS: stream, leases, waiting, dead, lost. ARGV: group, consumer.
local stream, leases, waiting, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, me = ARGV[1], ARGV[2]
-- A consumer that nobody is has what waits to be given again.
local NOBODY = '~waiting'

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Returns who has an entry and how often it was delivered; nothing when it is not pending.
local function pending(id)
  local found = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if found then return found[2], found[4] end
end

-- Gives a pending entry to `consumer`, as delivered so often.
local function give(id, consumer, deliveries)
  redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', deliveries, 'JUSTID')
end

-- Returns payload, number and group of an entry; nothing when it is not there.
local function fields(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return end
  local value = {}
  for n = 1, #entry[2], 2 do value[entry[2][n]] = entry[2][n + 1] end
  -- What somebody else wrote there is an entry, too, if one that cannot be read.
  return value.p or '', tonumber(value.n) and value.n or '0', value.g or ''
end

-- Puts an entry among the dead letters; one that was trimmed leaves nothing to keep.
local function bury(id, reason, deliveries)
  local bytes = fields(id)
  if bytes then
    redis.call('XADD', dead, '*', 'i', id, 'p', bytes, 'r', reason, 'd', deliveries, 't', string.format('%.0f', now()))
  end
  redis.call('XACK', stream, group, id)
  redis.call('ZREM', waiting, id)
end
