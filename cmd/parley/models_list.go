package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"parley/worker/bundle"
	"parley/worker/model"
)

func modelsListCommand() *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "List the bundles of the models folder", Args: cobra.NoArgs,
		Long: `list shows every bundle of the models folder: its kind and the work it does, the
precision of its graphs, the bytes on disk, an estimate of the memory that it takes once
it is loaded, its licence and its languages. It reads descriptions only; whether the
files are right is what verify checks.`,
		Example: `  parley models list
  parley models list --models /srv/models --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			dirs, err := bundle.List(cfg.Models)
			if err != nil {
				return err
			}
			listed := make([]listedBundle, len(dirs))
			for i, dir := range dirs {
				listed[i] = listBundle(dir)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), listed)
			}
			return printBundles(cmd.OutOrStdout(), listed)
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table; sizes are bytes")
	return list
}

// listedBundle is a row of the list.
type listedBundle struct {
	*bundle.Summary
	// Work is the kind of job that the bundle does, "" where it can't run yet.
	Work string `json:"work"`
	// Error is why the bundle can't be read; the summary has only the folder then.
	Error string `json:"error,omitempty"`
}

func listBundle(dir string) listedBundle {
	b, err := bundle.Open(dir)
	if err == nil {
		var s *bundle.Summary
		if s, err = b.Summary(); err == nil {
			return listedBundle{Summary: s, Work: model.Work(b.Kind)}
		}
	}
	return listedBundle{Summary: &bundle.Summary{Dir: dir}, Error: sentence(err)}
}

func printBundles(w io.Writer, listed []listedBundle) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKIND\tWORK\tPRECISION\tSIZE\tMEMORY\tLICENCE\tLANGUAGES\tFOLDER")
	for _, b := range listed {
		if b.Error != "" {
			fmt.Fprintf(table, "%s\tbroken\t-\t-\t-\t-\t-\t-\t%s\n", filepath.Base(b.Dir), b.Dir)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, b.Kind, cmp.Or(b.Work, cantRun), cmp.Or(b.Precision, "-"),
			byteSize(b.Size), byteSize(b.Memory), cmp.Or(b.Licence, "-"), shortList(b.Languages), b.Dir)
	}
	err := table.Flush()
	for _, b := range listed {
		if b.Error != "" && err == nil {
			_, err = fmt.Fprintf(w, "%s: %s\n", b.Dir, b.Error)
		}
	}
	return err
}

// shortList gives the first of many words and how many more there are.
func shortList(words []string) string {
	const most = 6
	switch {
	case len(words) == 0:
		return "-"
	case len(words) > most:
		return fmt.Sprintf("%s +%d", strings.Join(words[:most], ","), len(words)-most)
	}
	return strings.Join(words, ",")
}

// byteSize gives bytes with three digits at most: "96.4 MB", "-" for none.
func byteSize(n int64) string {
	if n <= 0 {
		return "-"
	}
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 999.5 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if value < 99.95 && unit > 0 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}
