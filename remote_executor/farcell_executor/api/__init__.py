"""HTTP and websockets: thin handlers, one file per noun. Whatever decides anything is elsewhere."""
