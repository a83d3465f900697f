-- After group.lua. ARGV from 3 on: milliseconds of the lease, room, the most deliveries, 1 to give back, 1 to leave, after which id a group that
-- is new begins ('' when nothing is to be made), from which delivery on orphans are given one at a time, 1 to join only alone, 1 to take only some, how many ids it keeps, 1 to take such an orphan; then the ids that it does not give back, and those
-- that it takes. Answers {1 when it is alive, milliseconds until the next is due (-1 for none), how many were trimmed, the id that the group has reached ('' unless it joins), entries: {id, number, payload, group or '',
-- deliveries, 1 when who had it died}}.
local lease, room, most = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local at, trimmed, given, reached = now(), 0, {}, ''
local alone, is_sole, takes_some, kept = tonumber(ARGV[9]), ARGV[10] == '1', ARGV[11] == '1', 13 + tonumber(ARGV[12])

-- Takes a consumer away: what it has waits, or is dead when it was delivered too often.
local function take_away(consumer)
  redis.call('ZREM', leases, consumer)
  while true do
    local found = redis.call('XPENDING', stream, group, '-', '+', 1000, consumer)
    if #found == 0 then break end
    for _, entry in ipairs(found) do
      local id, deliveries = entry[1], entry[4]
      if consumer == me then
        -- It goes by itself: no handler has begun with what it still has.
        give(id, NOBODY, deliveries - 1)
      elseif deliveries >= most then
        bury(id, 'its consumer died', deliveries)
      else
        give(id, NOBODY, deliveries)
      end
      if deliveries < most or consumer == me then
        -- A claim of what was trimmed takes it out of the pending list instead.
        -- Half a millisecond marks what somebody died with.
        local due = consumer == me and at or at - 0.5
        if pending(id) then redis.call('ZADD', waiting, due, id) else trimmed = trimmed + 1 end
      end
    end
  end
  redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
end

local function hand(id, deliveries, orphaned)
  local bytes, number, only = fields(id)
  if not bytes then
    trimmed = trimmed + redis.call('XACK', stream, group, id)
    return
  end
  give(id, me, deliveries)
  given[#given + 1] = {id, number, bytes, only, deliveries, orphaned}
end

local function enter()
  if redis.call('XGROUP', 'CREATECONSUMER', stream, group, me) == 1 then redis.call('ZADD', leases, at + lease, me) end
end

-- Returns whether no other consumer is taken for alive.
local function is_alone()
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. at, '+inf')) do
    if name ~= me then return false end
  end
  return true
end

local has_suspect = false

-- Takes an entry that waits; returns when it is due if it is not, there is no room, or it is to be alone.
local function take(id)
  local due = tonumber(redis.call('ZSCORE', waiting, id))
  if not due then return end
  if due > at or #given >= room then return due end
  local holder, deliveries = pending(id)
  local orphaned = due % 1 > 0
  local is_suspect = orphaned and deliveries and deliveries + 1 >= alone
  -- Nothing else is given together with it.
  if has_suspect or is_suspect and (ARGV[13] ~= '1' or #given > 0) then return due end
  has_suspect = is_suspect
  redis.call('ZREM', waiting, id)
  -- Somebody has it who was given it anew: the group was made again.
  if deliveries and holder ~= NOBODY then return end
  if deliveries then hand(id, deliveries + 1, orphaned and 1 or 0) else trimmed = trimmed + 1 end
end

if ARGV[8] ~= '' then
  if redis.call('EXISTS', stream) == 0 or redis.pcall('XPENDING', stream, group).err then
    redis.call('XGROUP', 'CREATE', stream, group, ARGV[8], 'MKSTREAM')
    redis.call('DEL', waiting)
  end
  if not is_sole then enter() end
end
local is_alive = redis.call('ZSCORE', leases, me) and 1 or 0
if is_alive == 1 then redis.call('ZADD', leases, at + lease, me) end
if redis.call('EXISTS', stream) == 0 or redis.pcall('XPENDING', stream, group).err then return {0, -1, 0, '', given} end
for _, of in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local lives = of[2] == NOBODY or tonumber(redis.call('ZSCORE', leases, of[2]) or at) > at
  -- A read that a server was asked for by a consumer since taken away makes it anew, without a lease.
  if not lives then take_away(of[2]) end
end
-- Names that no consumer has any more, since the group was made again.
redis.call('ZREMRANGEBYSCORE', leases, '-inf', at)
if ARGV[8] ~= '' then
  if is_sole and is_alone() then
    enter()
    is_alive = 1
  end
  for _, of in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, last
    for n = 1, #of, 2 do
      if of[n] == 'name' then name = of[n + 1] end
      if of[n] == 'last-delivered-id' then last = of[n + 1] end
    end
    if name == group then reached = last end
  end
end
if is_alive == 1 and ARGV[7] == '1' then
  take_away(me)
  is_alive = 0
end
if is_alive == 1 and ARGV[6] == '1' then
  local keeps = {}
  for n = 14, kept do keeps[ARGV[n]] = true end
  for _, entry in ipairs(redis.call('XPENDING', stream, group, '-', '+', 10000, me)) do
    local id = entry[1]
    if not keeps[id] then
      -- No handler has begun with it.
      give(id, NOBODY, entry[4] - 1)
      if pending(id) then redis.call('ZADD', waiting, at, id) else trimmed = trimmed + 1 end
    end
  end
end
local next
if takes_some then
  for n = kept + 1, #ARGV do
    local due = is_alive == 1 and take(ARGV[n])
    if due and (not next or due < next) then next = due end
  end
else
  if is_alive == 1 and room > 0 then
    -- Suspects that have to wait do not keep others from being given.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', at, 'LIMIT', 0, room + 512)) do take(id) end
  end
  next = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
end
return {is_alive, next and math.max(0, math.ceil(next - at)) or -1, trimmed, reached, given}
