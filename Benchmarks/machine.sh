# To be sourced: machine prints processor and memory in one line.
machine() {
    if [ -r /proc/cpuinfo ]; then
        awk -F': *' '/^model name/ { name = $2; n++ } END { printf "%s, %d processors", name, n }' /proc/cpuinfo
        awk '/^MemTotal/ { printf ", %.0f GiB of memory", $2 / 1048576 }' /proc/meminfo
    else
        sysctl -n machdep.cpu.brand_string
    fi
}
