package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/feedback"
)

func exportFeedbackCommand() *cobra.Command {
	var format, out, since, until string
	votes := &cobra.Command{
		Use: "feedback", Short: "Write the votes on public stickers as answers to queries", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			from, err := timeFlag("since", since)
			if err != nil {
				return err
			}
			to, err := timeFlag("until", until)
			if err != nil {
				return err
			}
			return writeTo(cmd, "rows", out, func(w io.Writer) (int, error) {
				return app.ExportFeedback(cmd.Context(), cfg, w, feedback.Format(format), from, to)
			})
		},
	}
	votes.Flags().StringVar(&format, "format", string(feedback.CSV), "csv or jsonl")
	votes.Flags().StringVar(&out, "out", "", "the file to write, which must not exist; the standard output when empty")
	votes.Flags().StringVar(&since, "since", "", "only what changed at this time or later, such as 2026-11-21T07:37:00Z")
	votes.Flags().StringVar(&until, "until", "", "only what changed before this time")
	return votes
}

// timeFlag reads a time by RFC 3339, nil for an empty one.
func timeFlag(name, value string) (*time.Time, error) {
	if value == "" {
		return nil, nil //nolint:nilnil // no time is a valid answer
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil, fmt.Errorf("--%s: %q is no time such as 2026-11-21T07:37:00Z", name, value)
	}
	return &at, nil
}
