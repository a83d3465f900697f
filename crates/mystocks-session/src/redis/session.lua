-- A session is a hash: v digest of the verifier, p of the one before and t until when that one is good, u user, d data, n version, w nonce
-- of the last save, c created, s last used, i idle end, e absolute end; x stands alone in the grave of what was revoked. Times are
-- the server's, in milliseconds.
local GONE, PRESENT, BEFORE, REFUSED, REVOKED, TOO_LARGE = 0, 1, 2, 3, 4, 5
local GRAVE = 60000

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function is_live(session, at)
  local ends = redis.call('HMGET', session, 'i', 'e')
  return ends[1] and tonumber(ends[1]) > at and tonumber(ends[2]) > at
end

-- What was revoked leaves a grave: a request that comes late creates nothing there.
local function bury(session)
  redis.call('DEL', session)
  redis.call('HSET', session, 'x', '1')
  redis.call('PEXPIRE', session, GRAVE)
end

-- How a claim stands. Lua compares texts of this length by their addresses, so in the same time wherever they differ.
local function standing(session, proof, revokes, at)
  if not is_live(session, at) then return GONE end
  local known = redis.call('HMGET', session, 'v', 'p', 't')
  if known[1] == proof then return PRESENT end
  if known[2] == proof and at < tonumber(known[3]) then return BEFORE end
  if revokes ~= '1' then return REFUSED end
  bury(session)
  return REVOKED
end

-- Counts as a use: ends when the idle time has passed or the absolute end has come, whichever is first.
local function touch(session, at, idle)
  local idle_end = at + idle
  redis.call('HSET', session, 's', whole(at), 'i', whole(idle_end))
  redis.call('PEXPIREAT', session, whole(math.min(idle_end, tonumber(redis.call('HGET', session, 'e')))))
end

-- The record, with data of at most so many bytes, or without ('').
local function record(session, status, most)
  if most == '' then return {status, redis.call('HMGET', session, 'n', 'c', 's', 'i', 'e', 'u')} end
  local bytes = redis.call('HSTRLEN', session, 'd')
  if bytes > tonumber(most) then return {TOO_LARGE, {whole(bytes)}} end
  return {status, redis.call('HMGET', session, 'n', 'c', 's', 'i', 'e', 'u', 'd')}
end

