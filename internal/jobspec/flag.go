package jobspec

// Flag is what a run's owners say of it while it is under way.
type Flag string

// The flags.
const (
	// FlagNone says nothing.
	FlagNone Flag = ""
	// FlagCancelled says that nobody wants the result any more.
	FlagCancelled Flag = "1"
	// FlagStopped says that what there is so far is the result. Work that has nothing to
	// give before its end goes on.
	FlagStopped Flag = "stop"
)
