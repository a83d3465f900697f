-- KEYS: spot, fence, queue, waiters; for a server that is one of a quorum also the mark that it is trusted.
-- ARGV: token, milliseconds, what there is of it, the least fence ('' for none), node, owner, who waits ('' for nobody), ticket,
-- milliseconds of the place, 1 to come after who waits, 1 to have the spot watched, weight; for a quorum how long the longest
-- time to live is, else ''; channel without the node.
-- Answers {1, fence, 0, 0} when granted, else {0, ticket, 1 when first, milliseconds until something may change (-1 unknown)}, or {2, '0', 0,
-- milliseconds} when the server is not to be trusted yet.
local spot, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, ttl, of, waiter, fair = ARGV[1], ARGV[2], ARGV[3], ARGV[7], ARGV[10] == '1'
-- How often the first looks when who holds it will not tell.
local SILENT, OFTEN = 50, 500

if KEYS[5] then
  local rest = distrust(KEYS[5], ARGV[13])
  if rest > 0 then return {2, '0', 0, rest} end
end
local is_queue = (fair or waiter ~= '') and purge(queue, waiters)
local member = waiter ~= '' and waiter or ':' .. ARGV[12]
local holds = is_queue and fair and standing(spot, token) == 1
local granted = (not is_queue or not fair or holds or may(queue, member, room(spot, of))) and take(spot, token, ttl, of)
if granted then
  if is_queue and waiter ~= '' then
    depart(queue, waiters, waiter)
    -- What ended by itself nobody has told: who took some of it tells the next.
    local free = room(spot, of)
    if free > 0 then wake(queue, waiters, ARGV[14], free) end
  end
  local drawn = ARGV[4] ~= '' and grant(fence, token, ttl, ARGV[4], ARGV[5], ARGV[6]) or '0'
  -- Writing a key ends its watching, for the writer too; only reading begins it.
  if ARGV[11] == '1' then redis.call('EXISTS', spot) end
  return {1, drawn, 0, 0}
end
if waiter == '' then return {0, '0', 0, left(spot)} end

local ticket, lease = ARGV[8], tonumber(ARGV[9])
local now = clock()
if ticket == '0' then
  -- The answer to this very request was lost, and it is asked again.
  local known = redis.call('ZSCORE', queue, waiter)
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
  ticket = string.format('%.0f', known or math.max(now, (tonumber(last) or 0) + 1))
end
redis.call('ZADD', queue, ticket, waiter)
redis.call('ZADD', waiters, string.format('%.0f', math.floor(now / 1000) + lease), waiter)
for _, key in ipairs({queue, waiters}) do
  if redis.call('PTTL', key) < 2 * lease then redis.call('PEXPIRE', key, 2 * lease) end
end
if redis.call('ZRANGE', queue, 0, 0)[1] ~= waiter then return {0, ticket, 0, -1} end
local rest = left(spot)
if rest < 0 or rest > OFTEN then rest = OFTEN end
local _, last_token = record(fence)
if rest > SILENT and type(redis.pcall('GET', spot)) == 'string' and standing(spot, last_token) == 2 then rest = SILENT end
return {0, ticket, 1, rest}
