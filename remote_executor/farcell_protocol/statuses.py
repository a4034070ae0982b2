"""The HTTP status of each error on REST: of the executor, and of a server that passes its answers on."""

from farcell_protocol import errors
from farcell_protocol.errors import FarcellError

_STATUS: dict[type[FarcellError], int] = {
    errors.BadRequest: 400,
    errors.BadSpec: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.NoDeviceFits: 409,
    errors.SessionDiffers: 409,
    errors.SessionEnded: 409,
    errors.NodeIsConnected: 409,
    errors.Pruned: 410,
    errors.MessageTooLarge: 413,
    errors.VersionMismatch: 426,
    errors.Unavailable: 503,
    errors.DiskFull: 507,
    errors.DiskFailed: 507,
    errors.StoreError: 507,
}

STATUS = {kind.code: status for kind, status in _STATUS.items()}
"""By reason code. Whatever is not here is a fault of ours: 500."""
