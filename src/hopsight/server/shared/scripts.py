"""What Redis does in one step, in Lua; each counts in one key that goes by itself.

Its own clock decides: servers whose clocks differ still share one window. A window opens with its first event
and ends on a whole second, as in ``server/limits.py``.
"""

from typing import Final

_COUNT: Final = """
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local count = redis.call('INCR', KEYS[1])
local left_ms = redis.call('PTTL', KEYS[1])
if left_ms < 0 then
  local ends_ms = (now[1] + ARGV[1]) * 1000
  redis.call('PEXPIREAT', KEYS[1], string.format('%d', ends_ms))
  left_ms = ends_ms - now_ms
end
"""
COUNT: Final = _COUNT + "return {count, left_ms, math.floor((now_ms + left_ms) / 1000 + 0.5)}"
"""``ARGV``: seconds of a window. Answers the count, milliseconds left, the epoch second of the end."""
COUNT_AND_TELL: Final = (
    _COUNT
    + """
if count >= tonumber(ARGV[2]) then
  redis.call('PUBLISH', ARGV[3], string.format('%s %d %d', ARGV[4], count, left_ms))
end
return {count, left_ms}
"""
)
"""The same, and tells everybody on channel ``ARGV[3]`` of ``ARGV[4]`` from the count ``ARGV[2]`` on."""
