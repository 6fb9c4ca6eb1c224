package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"parley/worker/hub"
)

// progress shows how far a pull is: a bar on a terminal, lines elsewhere.
type progress struct {
	out io.Writer
	// onTerminal says that out is one.
	onTerminal bool
	bar        *progressbar.ProgressBar
	// file and tenth are what the last line was about.
	file  string
	tenth int64
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, onTerminal: isTerminal(out), tenth: -1}
}

// isTerminal tells whether somebody reads or writes at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *progress) show(at hub.Progress) {
	switch {
	case at.Status == hub.StatusListing || at.Status == hub.StatusDone || at.Total == 0:
	case p.onTerminal:
		p.draw(at)
	default:
		p.write(at)
	}
}

func (p *progress) draw(at hub.Progress) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(at.Total, progressbar.OptionSetWriter(p.out), progressbar.OptionShowBytes(true), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish())
	}
	if p.file != at.File+string(at.Status) {
		p.file = at.File + string(at.Status)
		p.bar.Describe(string(at.Status) + " " + at.File)
	}
	// What can't be drawn is no reason to end a download.
	_ = p.bar.Set64(at.Completed)
}

// write gives a line for every file and for every tenth of the whole.
func (p *progress) write(at hub.Progress) {
	tenth := at.Completed * 10 / at.Total
	if at.Status != hub.StatusDownloading || at.File == p.file && tenth == p.tenth {
		return
	}
	p.file, p.tenth = at.File, tenth
	fmt.Fprintf(p.out, "%3d %% of %s: %s\n", at.Completed*100/at.Total, byteSize(at.Total), at.File)
}

// end leaves the terminal's line to others.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
	}
}
