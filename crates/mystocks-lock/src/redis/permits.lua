-- Whether other programs may hold it too.
local SHARED = false

-- Holders of permits: a sorted set of `token:weight`, with the end of each lease by the server's time in milliseconds.
local function weight_in(member)
  return tonumber(string.match(member, ':(%d+)$')) or 1
end

-- Returns who holds some of it when a member of the queue does.
local function holder_in(member)
  local token, weight = string.match(member, '^[^:]*:([^:]*):.*:(%d+)$')
  return token .. ':' .. weight
end

local function live(spot)
  redis.call('ZREMRANGEBYSCORE', spot, '-inf', math.floor(clock() / 1000))
  return redis.call('ZRANGE', spot, 0, -1)
end

local function room(spot, of)
  local free = tonumber(of)
  for _, member in ipairs(live(spot)) do free = free - weight_in(member) end
  return free
end

local function lend(spot, member, ttl, least)
  local till = math.floor(clock() / 1000) + ttl
  -- What comes late must not shorten what was granted since.
  if least and tonumber(redis.call('ZSCORE', spot, member)) >= till then return end
  redis.call('ZADD', spot, string.format('%.0f', till), member)
  if redis.call('PTTL', spot) < tonumber(ttl) then redis.call('PEXPIRE', spot, ttl) end
end

local function standing(spot, member)
  local score = redis.call('ZSCORE', spot, member)
  return score and tonumber(score) > math.floor(clock() / 1000) and 1 or 0
end

local function take(spot, member, ttl, of)
  -- The answer to this very acquisition was lost, and it is asked again.
  local holds = standing(spot, member) == 1
  if not holds and room(spot, of) < weight_in(member) then return false end
  lend(spot, member, ttl, holds)
  return true
end

local function extend(spot, member, ttl, least)
  local stood = standing(spot, member)
  if stood == 1 then lend(spot, member, ttl, least) end
  return stood
end

local function remove(spot, member)
  local stood = standing(spot, member)
  redis.call('ZREM', spot, member)
  return stood
end

-- Milliseconds until something is free if nobody does anything, -1 for never.
local function left(spot)
  local first = redis.call('ZRANGE', spot, 0, 0, 'WITHSCORES')
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) - math.floor(clock() / 1000))
end

