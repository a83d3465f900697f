-- Tells every process that the keys of these digests were invalidated or replaced.
local function tell(channel, head, stamp, digests)
  redis.call('PUBLISH', channel, head .. stamp .. ',"keys":["' .. table.concat(digests, '","') .. '"]}')
end
