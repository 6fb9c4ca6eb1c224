//go:build !ORT

package main

import (
	"context"

	hugot "github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/options"
)

const backend = "Go"

func newSession(ctx context.Context, o ...options.WithOption) (*hugot.Session, error) {
	return hugot.NewGoSession(ctx, o...)
}
