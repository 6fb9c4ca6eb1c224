package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/dialog"
	"parley/internal/langtag"
)

func exportCommand() *cobra.Command {
	var format, out, language, customer string
	dialogs := &cobra.Command{
		Use: "dialogs", Short: "Write the dialogs that their customers agreed to, the newest first; the audit log notes them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			f := dialog.Filter{}
			if language != "" {
				tag, err := langtag.Canonical(language)
				if err != nil {
					return err
				}
				f.Language = &tag
			}
			if customer != "" {
				f.CustomerID = &customer
			}
			return writeTo(cmd, "dialogs", out, func(w io.Writer) (int, error) {
				return app.ExportDialogs(cmd.Context(), cfg, w, dialog.Format(format), f)
			})
		},
	}
	dialogs.Flags().StringVar(&format, "format", string(dialog.CSV), "csv or jsonl")
	dialogs.Flags().StringVar(&out, "out", "", "the file to write, which must not exist; the standard output when empty")
	dialogs.Flags().StringVar(&language, "language", "", "only dialogs in this language")
	dialogs.Flags().StringVar(&customer, "customer", "", "only dialogs of this customer")
	export := &cobra.Command{Use: "export", Short: "Downloads"}
	export.AddCommand(dialogs, exportFeedbackCommand())
	return export
}

// writeTo writes to the file, or to the standard output, and says how many rows
// went into the file. A file that could not be finished is removed.
func writeTo(cmd *cobra.Command, what, path string, write func(io.Writer) (int, error)) (err error) {
	if path == "" {
		_, err := write(cmd.OutOrStdout())
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	buffered := bufio.NewWriterSize(file, 64<<10)
	rows, err := write(buffered)
	if err = errors.Join(err, buffered.Flush(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d %s written to %s\n", rows, what, path)
	return nil
}
