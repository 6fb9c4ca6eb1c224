package note

// For tests of this package.
var (
	Match  = match
	Detect = detect
)
