-- Whether other programs may hold it too.
local SHARED = true

-- A lock: the token stands in the key, as the platform's other programs know it.
local function take(spot, token, ttl)
  if redis.call('SET', spot, token, 'NX', 'PX', ttl) then return true end
  -- The answer to this very acquisition was lost, and it is asked again.
  if redis.pcall('GET', spot) ~= token then return false end
  if redis.call('PTTL', spot) < tonumber(ttl) then redis.call('PEXPIRE', spot, ttl) end
  return true
end

-- Returns who holds it when a member of the queue does.
local function holder_in(member)
  return string.match(member, '^[^:]*:([^:]*)')
end

-- 0 nobody's, 1 held by this token, 2 held by another.
local function standing(spot, token)
  local holder = redis.pcall('GET', spot)
  if not holder then return 0 end
  return holder == token and 1 or 2
end

-- For at least that time, or just that: what comes late must not shorten what was granted since.
local function extend(spot, token, ttl, least)
  local stood = standing(spot, token)
  if stood == 1 and not (least and redis.call('PTTL', spot) > tonumber(ttl)) then redis.call('PEXPIRE', spot, ttl) end
  return stood
end

local function remove(spot, token)
  local stood = standing(spot, token)
  if stood == 1 then redis.call('DEL', spot) end
  return stood
end

local function room(spot)
  return 1 - redis.call('EXISTS', spot)
end

-- Milliseconds until it is free if nobody does anything, -1 for never.
local function left(spot)
  return redis.call('PTTL', spot)
end

