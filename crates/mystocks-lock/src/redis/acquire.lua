-- KEYS: spot, fence; for who minds the queue also queue, waiters, and of a lock strangers; last, for a server that is one of a quorum, the mark
-- that it is trusted.
-- ARGV: token, milliseconds, the least fence ('' for none), node and owner, 1 to have the spot watched; for who minds the queue, and
-- for permits, also: 1 to come after who waits, what there is of it, weight, for a quorum how long the longest time to live is,
-- who waits ('' for nobody), ticket, milliseconds of the place, channel without the node.
-- Answers {1, fence, 0, 0, '0'} when granted, else {0, ticket, 1 when first, milliseconds until something may change (-1 unknown), the last
-- fence}, or {2, '0', 0, milliseconds, '0'} when the server is not to be trusted yet.
local fair, of, member = ARGV[6] == '1', ARGV[7], ':' .. (ARGV[8] or '1')
if waiter ~= '' then member = waiter end
-- How often the first looks when who holds it will not tell.
local SILENT, OFTEN = 50, 500

if (ARGV[9] or '') ~= '' then
  local rest = distrust(KEYS[#KEYS], ARGV[9])
  if rest > 0 then return {2, '0', 0, rest, '0'} end
end
local is_queue = queue and purge(queue, waiters)
if is_queue and not fair then fair = is_long(queue, member) end
local holds = is_queue and standing(spot, token) == 1
local rest = SHARED and is_queue and not holds and theirs(KEYS[5]) or 0
local may_take = not is_queue or not fair or holds or may(queue, member, room(spot, of))
if rest == 0 and may_take and take(spot, token, ttl, of) then
  if is_queue then
    if waiter ~= '' then depart(queue, waiters, waiter) end
    -- What ended by itself nobody has told: who took some of it hands on the rest.
    hand(spot, fence, queue, waiters, nil, ARGV[13], of)
  end
  return granted()
end
if waiter == '' then return {0, '0', 0, left(spot), '0'} end

local ticket, lease = ARGV[11], tonumber(ARGV[12])
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
local last, last_token = record(fence)
last = string.format('%.0f', last)
if redis.call('ZRANGE', queue, 0, 0)[1] ~= waiter then return {0, ticket, 0, -1, last} end
if rest == 0 then
  rest = left(spot)
  if rest < 0 or rest > OFTEN then rest = OFTEN end
  if rest > SILENT and SHARED and is_strange(KEYS[5], standing(spot, last_token) == 2) then rest = SILENT end
end
return {0, ticket, 1, rest, last}
