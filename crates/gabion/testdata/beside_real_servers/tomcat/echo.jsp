<%-- What Tomcat made of a request, a fact on each line. What has no value has no space after its name. --%><%@
  page contentType="text/plain; charset=us-ascii" session="false" trimDirectiveWhitespaces="true"
%><%@ page import="java.nio.charset.StandardCharsets, java.util.concurrent.atomic.AtomicLong"
%><%!
  private final AtomicLong count = new AtomicLong();

  private static String line(String name, String value) {
    StringBuilder line = new StringBuilder(name);
    if (value != null) {
      line.append(' ');
      for (byte octet : value.getBytes(StandardCharsets.UTF_8)) {
        if (octet > ' ' && octet < 0x7f && octet != '\\') line.append((char) octet);
        else line.append(String.format("\\x%02x", octet));
      }
    }
    return line.append('\n').toString();
  }
%><%
  out.print(line("count", Long.toString(count.incrementAndGet())));
  out.print(line("method", request.getMethod()));
  out.print(line("uri", request.getRequestURI()));
  out.print(line("servlet-path", request.getServletPath()));
  out.print(line("path-info", request.getPathInfo()));
  out.print(line("query", request.getQueryString()));
  out.print(line("host", request.getHeader("Host")));
%>
