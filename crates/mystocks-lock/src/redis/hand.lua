-- Who is not heard of is given it all the same when it has waited for so long, in microseconds: it may be alive, and not hear.
local DEAF = 2000000

-- Hands what is free to those at the head of the queue for whom there is enough, for as long as they asked for, and tells their
-- processes. Whose process does not listen is passed over: it loses its turn, and its place until it asks for it again.
local function hand(spot, fence, queue, waiters, strangers, channel, of)
  if not purge(queue, waiters) then return end
  local free = room(spot, of)
  if free < 1 or strangers and (theirs(strangers) > 0 or is_theirs(strangers)) then return end
  while free > 0 do
    local member, ticket = unpack(redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES'))
    if not member or part(member) > free then return end
    local node, holder = string.match(member, '^[^:]*'), holder_in(member)
    local ttl = string.match(member, '^[^:]*:[^:]*:(%d+):')
    local rest = (tonumber(redis.call('ZSCORE', waiters, member)) or 0) - math.floor(clock() / 1000)
    depart(queue, waiters, member)
    if rest > 0 then
      -- Nobody knows yet what it calls itself.
      local drawn = grant(fence, holder, 0, node .. ' {}', ttl)
      local is_heard = redis.pcall('PUBLISH', channel .. node, holder .. '=' .. drawn) ~= 0
      if is_heard or clock() - ticket > DEAF then
        take(spot, holder, is_heard and ttl or rest, of)
        free = free - part(member)
      end
    end
  end
end

