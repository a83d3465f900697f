-- Who waits: `queue` orders members `node:waiter:weight` by ticket, `waiters` has the end of each one's lease in milliseconds.
local function part(member)
  return tonumber(string.match(member, ':(%d+)$')) or 1
end

local function depart(queue, waiters, member)
  redis.call('ZREM', queue, member)
  redis.call('ZREM', waiters, member)
end

-- Removes everybody who was not heard of in time, in one pass; returns whether anybody is left.
local function purge(queue, waiters)
  if redis.call('EXISTS', queue) == 0 then return false end
  local dead = redis.call('ZRANGEBYSCORE', waiters, '-inf', math.floor(clock() / 1000))
  for _, member in ipairs(dead) do depart(queue, waiters, member) end
  return true
end

-- For how many microseconds the first in the queue may be overtaken by who came later.
local LONG = 500000

-- Returns whether the first waits too long by now to be overtaken by `member`.
local function is_long(queue, member)
  local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  return first[1] and first[1] ~= member and clock() - first[2] > LONG
end

-- Returns whether, when everybody before `member` has taken what they wait for, there is enough for it; a member that does not
-- wait comes after all.
local function may(queue, member, free)
  local wanted = part(member)
  local at = 0
  while free >= wanted do
    local ahead = redis.call('ZRANGE', queue, at, at)[1]
    if not ahead or ahead == member then return true end
    free = free - part(ahead)
    at = at + 1
  end
  return false
end

